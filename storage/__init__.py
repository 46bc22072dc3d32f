"""Images, layers and registries: a reference goes in, an image and the recipe of its root file system come out."""
