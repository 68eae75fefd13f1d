# fish completion for cb-frame; made by scripts/gen-completion, do not edit
complete -c cb-frame -n 'test (count (string match -v -- "-*" (commandline -opc))) -eq 1' -f -a 'dump check hash events'
complete -c cb-frame -l streamhash -d 'hash: print what ffmpeg -c copy -f streamhash prints'
complete -c cb-frame -l quiet -s q -d 'Only report errors'
complete -c cb-frame -l verbose -s v -d 'Say more on stderr'
complete -c cb-frame -l sandbox -x -d 'Lock in: auto, require or off (auto)'
complete -c cb-frame -l help -s '?' -d 'Show the options and leave'
complete -c cb-frame -l usage -d 'Show a short form of the options and leave'
complete -c cb-frame -l version -s V -d 'Show the version and leave'
