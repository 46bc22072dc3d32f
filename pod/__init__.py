"""The engine that users name: containers, images, volumes, and the command line over them."""

__version__ = "0.1.0"
