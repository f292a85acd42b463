"""The version of the package, which is that of the tools: a test compares it with theirs."""

__version__ = "0.1.0"
