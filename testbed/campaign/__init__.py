"""Many runs of one scenario over a matrix of changes."""
