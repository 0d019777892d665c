"""Tests of the box's endpoint itself: is it as strict as AWS?"""
