"""Calls that are already in Segment's specification, by its webhooks or by its tracking API."""
