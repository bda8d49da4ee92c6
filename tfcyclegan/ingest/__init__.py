"""From studies to shards: scan, plan, convert, and an account of every input."""
