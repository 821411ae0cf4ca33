"""Tracking networks and the factories that build them."""
