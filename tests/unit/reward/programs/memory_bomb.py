# {"verdict":"MLE","memory_limit_mb":64}
a = []
while True: a.append("x" * 100000)
