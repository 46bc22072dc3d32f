"""Containers saved to images, by CRIU, and made to go on from them."""
