"""Platforms described by data: see `relay.settings.declaration`."""
