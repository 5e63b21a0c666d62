"""Persons of these tests are fictitious."""
