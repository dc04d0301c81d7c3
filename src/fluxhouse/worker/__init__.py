"""Claims jobs, has them made, hands them over."""
