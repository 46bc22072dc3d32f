"""Flags on what a build gives."""

from __future__ import annotations

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.cli.building import Asked


def declare(
    target: Asked,
    *,
    compress: Annotated[
        bool, Option("--compress", hidden=True, help="Accepted, without effect: nothing is sent elsewhere")
    ] = False,
    created_annotation: Annotated[
        bool, Option("--created-annotation", help="Set an annotation that tells when the image was made")
    ] = True,
    cw: Annotated[
        str, Option("--cw", metavar="options", hidden=True, help="Confidential workload (not supported)")
    ] = "",
    disable_compression: Annotated[
        bool, Option("--disable-compression", "-D", help="Accepted: layers are compressed when they are pushed")
    ] = True,
    identity_label: Annotated[
        bool, Option("--identity-label", help="Set the label io.pod.version (default: no)")
    ] = False,
    iidfile: Annotated[str, Option("--iidfile", metavar="file", help="File to write the image ID to")] = "",
    iidfile_raw: Annotated[
        str,
        Option("--iidfile-raw", "--raw-iidfile", metavar="file", help="File to write the image ID to, without sha256:"),
    ] = "",
    inherit_annotations: Annotated[
        bool, Option("--inherit-annotations", help="Inherit the annotations from the base image")
    ] = True,
    inherit_labels: Annotated[
        bool, Option("--inherit-labels", help="Inherit the labels from the base image or base stages")
    ] = True,
    layer_label: Annotated[
        list[str] | None,
        Option("--layer-label", metavar="key=value", help="Set metadata for stages that are not the last one"),
    ] = None,
    logfile: Annotated[
        str, Option("--logfile", metavar="file", help="Log to a file instead of stdout and stderr")
    ] = "",
    logsplit: Annotated[
        bool, Option("--logsplit", help="Split the log into a file for each platform: FILE_OS_ARCH")
    ] = False,
    metadata_file: Annotated[
        str, Option("--metadata-file", metavar="file", help="File to write metadata about the image to, as JSON")
    ] = "",
    omit_history: Annotated[
        bool, Option("--omit-history", help="Omit build history information from the image")
    ] = False,
    output: Annotated[
        list[str] | None,
        Option("--output", "-o", metavar="string", help="Write the image, too (type=local|tar|oci,dest=path, or -)"),
    ] = None,
    rewrite_timestamp: Annotated[
        bool, Option("--rewrite-timestamp", help="Let no new file be later than --source-date-epoch")
    ] = False,
    save_stages: Annotated[
        bool, Option("--save-stages", help="Keep the images of all stages that the image came of")
    ] = False,
    sbom: Annotated[str, Option("--sbom", metavar="preset", hidden=True, help="Make a list (not supported)")] = "",
    sbom_image_output: Annotated[
        str, Option("--sbom-image-output", metavar="path", hidden=True, help="(not supported)")
    ] = "",
    sbom_image_purl_output: Annotated[
        str, Option("--sbom-image-purl-output", metavar="path", hidden=True, help="(not supported)")
    ] = "",
    sbom_merge_strategy: Annotated[
        str, Option("--sbom-merge-strategy", metavar="strategy", hidden=True, help="(not supported)")
    ] = "",
    sbom_output: Annotated[str, Option("--sbom-output", metavar="file", hidden=True, help="(not supported)")] = "",
    sbom_purl_output: Annotated[
        str, Option("--sbom-purl-output", metavar="file", hidden=True, help="(not supported)")
    ] = "",
    sbom_scanner_command: Annotated[
        list[str] | None,
        Option("--sbom-scanner-command", metavar="command", hidden=True, help="(not supported)"),
    ] = None,
    sbom_scanner_image: Annotated[
        str, Option("--sbom-scanner-image", metavar="image", hidden=True, help="(not supported)")
    ] = "",
    sign_by: Annotated[
        str, Option("--sign-by", metavar="fingerprint", help="Sign the image, which then is pushed as it is")
    ] = "",
    source_date_epoch: Annotated[
        str | None,
        Option("--source-date-epoch", metavar="seconds", help="When the image says that it was made, since 1970"),
    ] = None,
    stage_labels: Annotated[
        bool, Option("--stage-labels", help="Label images with their stages (requires --save-stages)")
    ] = False,
    timestamp: Annotated[
        str | None,
        Option("--timestamp", metavar="seconds", help="When the image was made and its new files, since 1970"),
    ] = None,
    unsetannotation: Annotated[
        list[str] | None, Option("--unsetannotation", metavar="name", help="Do not inherit an annotation")
    ] = None,
    unsetlabel: Annotated[
        list[str] | None, Option("--unsetlabel", metavar="name", help="Leave a label out of the image")
    ] = None,
) -> None:
    """Note what is asked for. Raises PodError for what is not done."""
    scanning = {
        "--sbom": sbom,
        "--sbom-image-output": sbom_image_output,
        "--sbom-image-purl-output": sbom_image_purl_output,
        "--sbom-merge-strategy": sbom_merge_strategy,
        "--sbom-output": sbom_output,
        "--sbom-purl-output": sbom_purl_output,
        "--sbom-scanner-command": sbom_scanner_command,
        "--sbom-scanner-image": sbom_scanner_image,
    }
    for flag, value in scanning.items():
        if value:
            raise PodError(f"{flag}: lists of an image's software are not supported", hint="syft IMAGE makes one")
    if cw:
        raise PodError("--cw: confidential workloads are not supported")
    if stage_labels and not save_stages:
        raise PodError('"--stage-labels" requires "--save-stages"')
    target.sign_by = sign_by
    asked = target.outcome
    asked.outputs, asked.rewrite_timestamp = output or [], rewrite_timestamp
    asked.source_date_epoch, asked.timestamp = source_date_epoch, timestamp
    asked.layer_labels, asked.no_labels, asked.no_annotations = (
        layer_label or [],
        unsetlabel or [],
        unsetannotation or [],
    )
    asked.identity_label, asked.logfile, asked.logsplit = identity_label, logfile, logsplit
    asked.files.identity, asked.files.raw_identity, asked.files.metadata = iidfile, iidfile_raw, metadata_file
    asked.kept = {
        "inherit_labels": inherit_labels,
        "inherit_annotations": inherit_annotations,
        "created_annotation": created_annotation,
        "history": not omit_history,
        "save_stages": save_stages,
        "stage_labels": stage_labels,
    }
