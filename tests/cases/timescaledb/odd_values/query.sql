SELECT parameter, value, value_text, quality, to_char(time AT TIME ZONE 'UTC', 'HH24:MI:SS.MS'), seq FROM plant.line_1_readings ORDER BY seq, "index"
