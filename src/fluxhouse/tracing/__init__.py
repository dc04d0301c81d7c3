"""Spans of a job's life, for whoever collects traces; nothing happens where nobody does."""
