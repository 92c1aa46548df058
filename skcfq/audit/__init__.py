"""Any two fitted classifiers, compared by the advice that they give."""
