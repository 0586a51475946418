import croissants_that_nobody_baked  # noqa: F401


def handler(event, context):
    return "never"
