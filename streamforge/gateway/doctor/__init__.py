"""What the doctor knows: the broker's small files, their copies, the ballast, failed starts, logs set aside."""
