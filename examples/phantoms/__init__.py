"""Synthetic stand-ins for images of four systems, from scanners that differ from site to site."""
