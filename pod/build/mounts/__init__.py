"""RUN --mount: what each kind comes to (gathering.py), what trees and caches show, and who has these."""
