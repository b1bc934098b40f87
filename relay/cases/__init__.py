"""Cases beside templates: a webhook in, the calls and outcomes it must make out. No I/O but the case files."""
