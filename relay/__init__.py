"""Takes webhooks from commerce platforms and delivers them as Segment-specification calls."""

__version__ = "0.1.0"
