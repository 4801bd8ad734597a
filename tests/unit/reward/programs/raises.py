# {"verdict":"RE","message":"ZeroDivisionError"}
print("held", flush=True)
1 / 0
