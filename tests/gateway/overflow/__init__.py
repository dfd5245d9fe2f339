"""Tests of the disk budget."""
