"""Measurements from outside the hub.

Nothing is imported here: a probe's script is a module of this package, and must load soon on a busy device.
"""
