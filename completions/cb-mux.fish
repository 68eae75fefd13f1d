# fish completion for cb-mux; made by scripts/gen-completion, do not edit
complete -c cb-mux -l format -s f -x -d 'matroska, mpegts, mp4 or mov'
complete -c cb-mux -l output -s o -r -F -d 'Write to FILE (stdout)'
complete -c cb-mux -l quiet -s q -d 'Only report errors'
complete -c cb-mux -l verbose -s v -d 'Say more on stderr'
complete -c cb-mux -l sandbox -x -d 'Lock in: auto, require or off (auto)'
complete -c cb-mux -l help -s '?' -d 'Show the options and leave'
complete -c cb-mux -l usage -d 'Show a short form of the options and leave'
complete -c cb-mux -l version -s V -d 'Show the version and leave'
