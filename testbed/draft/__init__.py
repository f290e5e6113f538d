"""A first scenario from a few choices: YAML with comments, that validates and runs."""
