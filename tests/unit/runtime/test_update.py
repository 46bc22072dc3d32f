"""What an update changes, and what of it is put into force."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.update import plan

OLD: dict[str, Any] = {
    "memory": {"limit": 100, "swap": 200, "swappiness": 10},
    "cpu": {"quota": 20000, "period": 50000, "shares": 512},
    "pids": {"limit": 10},
    "devices": [{"allow": False, "access": "rwm"}],
    "blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 10}, {"major": 8, "minor": 16, "weight": 20}]},
    "hugepageLimits": [{"pageSize": "2MB", "limit": 4096}],
}


@pytest.mark.parametrize(
    ("changes", "new", "to_apply"),
    [
        ({"pids": {"limit": 20}}, {"pids": {"limit": 20}}, {"pids": {"limit": 20}}),
        ({"pids": {"limit": 0}, "memory": {"limit": None}, "cpu": {"cpus": ""}}, {}, {}),
        # A value of its own, zero or not.
        (
            {"memory": {"swappiness": 0}},
            {"memory": {"limit": 100, "swap": 200, "swappiness": 0}},
            {"memory": {"swappiness": 0}},
        ),
        # What the kernel keeps together goes together.
        (
            {"memory": {"limit": 150}},
            {"memory": {"limit": 150, "swap": 200, "swappiness": 10}},
            {"memory": {"limit": 150, "swap": 200}},
        ),
        (
            {"memory": {"limit": -1}},
            {"memory": {"limit": -1, "swap": -1, "swappiness": 10}},
            {"memory": {"limit": -1, "swap": -1}},
        ),
        (
            {"cpu": {"quota": 1000}},
            {"cpu": {"quota": 1000, "period": 50000, "shares": 512}},
            {"cpu": {"quota": 1000, "period": 50000}},
        ),
        ({"devices": OLD["devices"]}, {}, {}),
        (
            {"blockIO": {"weightDevice": [{"major": 8, "minor": 16, "weight": 30}]}},
            {
                "blockIO": {
                    "weightDevice": [
                        {"major": 8, "minor": 0, "weight": 10},
                        {"major": 8, "minor": 16, "weight": 30},
                    ]
                }
            },
            {"blockIO": {"weightDevice": [{"major": 8, "minor": 16, "weight": 30}]}},
        ),
        (
            {"hugepageLimits": [{"pageSize": "1GB", "limit": 0}]},
            {"hugepageLimits": [{"pageSize": "2MB", "limit": 4096}, {"pageSize": "1GB", "limit": 0}]},
            {"hugepageLimits": [{"pageSize": "1GB", "limit": 0}]},
        ),
        (
            {"unified": {"memory.high": "1G"}},
            {"unified": {"memory.high": "1G"}},
            {"unified": {"memory.high": "1G"}},
        ),
    ],
)
def test_only_what_is_given_changes(changes: dict[str, Any], new: dict[str, Any], to_apply: dict[str, Any]) -> None:
    assert plan(OLD, changes) == ({**OLD, **new}, to_apply)


def test_the_plan_leaves_its_arguments_alone() -> None:
    old, changes = {"memory": {"limit": 1}}, {"memory": {"limit": -1}}
    plan(old, changes)
    assert (old, changes) == ({"memory": {"limit": 1}}, {"memory": {"limit": -1}})
