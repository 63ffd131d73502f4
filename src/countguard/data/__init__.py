"""Crowds: pictures with head points, where they come from, and the density targets made of them."""
