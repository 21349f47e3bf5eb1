-- wrk posts what Sendwheel's SMS transport posts: the same sink, the same body.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"id": "msg_01JQZ7F3N5W8X9Y0A1B2C3D4E5", "to": "+12122000000", "from": "+12125550100", "text": "'
    .. string.sub(string.rep("Your table is ready at eight. We look forward to seeing you. ", 3), 1, 160) .. '"}'
