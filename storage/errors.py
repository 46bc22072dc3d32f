"""The errors of storage: conditions that callers tell apart."""

from __future__ import annotations


class StorageError(Exception):
    """An operation on images or layers failed; `hint`, where there is one, says how to mend it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class BadReferenceError(StorageError):
    """The text is not an image reference."""


class ImageNotFoundError(StorageError):
    """No image of this name or ID: in the store, or at the registry."""


class NoImageNameError(ImageNotFoundError):
    """No image can be of this name or ID: the text is none."""


class ImageInUseError(StorageError):
    """The image is used by a container or carries further names."""


class ReadOnlyImageError(StorageError):
    """The image is in a store that is only read."""


class NoStoreError(StorageError):
    """The store is not there, or was taken away a moment ago."""


class CorruptError(StorageError):
    """Bytes differ from what a digest, a size or a specification promises."""


class RegistryError(StorageError):
    """The registry could not be reached or refused."""


class UnauthorizedError(RegistryError):
    """The registry wants other credentials."""


class NoSpaceError(StorageError):
    """The disk or its inodes are used up."""
