# {"verdict":"OLE"}
import os
print("held", flush=True)
while True: os.write(2, b"x" * 65536)
