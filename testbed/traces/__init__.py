"""Traces: recordings imported, checked, understood, made, and compiled into link schedules."""
