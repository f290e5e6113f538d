"""The Azure tenant that a run's hub serves its users from."""
