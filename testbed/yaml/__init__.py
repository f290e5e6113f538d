"""YAML files: read into typed models, changed for one run, described by schemas."""
