# {"verdict":"WA","output":"7\n","note":"every candidate"}
for i in range(100): print(i)
