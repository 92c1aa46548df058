"""Small helpers that know nothing of recourse or quantization."""
