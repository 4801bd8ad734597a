# {"verdict":"MLE","memory_limit_mb":64}
print(len([0] * 10**10))
