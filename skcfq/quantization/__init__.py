"""Fake-quantized layers, bit policies and exact budget allocation. Knows no recourse."""
