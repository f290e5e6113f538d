"""What a run leaves: its record, its verdicts, and what is made of them."""
