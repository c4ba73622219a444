"""What the tests notice: the code is changed so that the promise breaks, and a test has to fail.

``make mutants`` tries the changes of by_hand.py, which somebody thought of, and some of those that
a tool makes everywhere (by_tool.py), each in a copy of the checkout (trial.py).
"""
