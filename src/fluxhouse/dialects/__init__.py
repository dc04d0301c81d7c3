"""One HTTP accent per file or folder; each translates, none decides."""
