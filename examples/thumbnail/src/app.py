"""Makes a thumbnail of every picture that an S3 event names.

A folder stands for the bucket: `buckets/<bucket>/<key>` beside this file. Thumbnails go to the instance's /tmp,
and small as they are, into the answer as well.
"""

import base64
import os
import tempfile
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote_plus

from PIL import Image

BUCKETS = Path(__file__).parent / "buckets"
THUMBNAILS = Path(tempfile.gettempdir(), "thumbnails")
LONGEST_SIDE = int(os.environ.get("LONGEST_SIDE", "160"))


def thumbnail(bucket, key):
    with Image.open(BUCKETS / bucket / key) as picture:
        before = picture.size
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        file = BytesIO()
        picture.save(file, format="JPEG", quality=80)
    place = THUMBNAILS / bucket / key
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(file.getvalue())
    print(f"{bucket}/{key}: {before} -> {picture.size}, {len(file.getvalue())} bytes")
    return {
        "key": key,
        "from": list(before),
        "to": list(picture.size),
        "jpeg": base64.b64encode(file.getvalue()).decode(),
    }


def handler(event, context):
    records = [record["s3"] for record in event["Records"]]
    return {
        "thumbnails": [
            # S3 sends keys as a URL spells them: a space is a plus.
            thumbnail(record["bucket"]["name"], unquote_plus(record["object"]["key"]))
            for record in records
        ]
    }
