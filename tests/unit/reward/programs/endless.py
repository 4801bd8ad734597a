# {"verdict":"TLE","time_limit_ms":200}
print("held", flush=True)
while True: pass
