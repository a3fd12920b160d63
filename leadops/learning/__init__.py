"""The learned score: examples from the log, encoding, training, judging, and a scorer that needs NumPy alone.

``model.py`` and what it imports is all that scoring a lead takes; scikit-learn is imported in training.
"""
