"""The race of `prepare`: one corpus with planted truth, contestants with the same work, scores from their output."""
