"""Telling people: what is worth an alert (conditions.py), and how it reaches them (channels.py). Never content: names, numbers and commands."""
