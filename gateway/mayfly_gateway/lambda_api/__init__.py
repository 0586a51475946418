"""Lambda's control API: versions, aliases and concurrency of functions, as AWS's clients ask for them.

Rule: whatever is asked for here is an object that kubectl shows, and whatever kubectl wrote is answered here: nothing
is kept beside the objects. Parsing (`members`, `requests`), answers (`shapes`, `states`) and pages (`paging`) are pure;
a `Registry` is where the objects are.
"""
