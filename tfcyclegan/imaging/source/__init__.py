"""Files, directories and archive members, walked safely."""
