# Completion of the actkin command in bash. Subcommands and options are those that the command's own --help shows.

# The help of a subcommand, or of the command itself.
_actkin_help() {
  local program=$1
  shift
  "$program" "$@" --help 2>/dev/null
}

# Subcommands, one a line.
_actkin_subcommands() {
  _actkin_help "$1" | sed -n '/^Subcommands:/,/^$/s/^  \([a-z][a-z-]*\).*/\1/p'
}

# Options of a subcommand, one a line; "NAME=" where a value follows.
_actkin_options() {
  _actkin_help "$@" | awk '
    /^Options:/ { shown = 1; next }
    /^$/ { shown = 0 }
    shown && /^  -/ {
      count = split($1, names, ",")
      for (i = 1; i <= count; ++i) print names[i] ($0 ~ /^  [^ ]+ [A-Z][A-Z]/ ? "=" : "")
    }'
}

# Words of a list that begin with the current word; with "list", the part after its last comma is completed.
_actkin_words() {
  local words=$1 kind=${2:-} before=
  if [[ $kind == list && $cur == *,* ]]; then before=${cur%,*},; fi
  mapfile -t COMPREPLY < <(compgen -P "$before" -W "$words" -- "${cur#"$before"}")
}

# Files whose names have one of the given endings, and folders on the way to them; without an ending all files.
_actkin_files() {
  local path ending
  while IFS= read -r path; do
    if [[ -d $path || $# -eq 0 ]]; then
      COMPREPLY+=("$path")
      continue
    fi
    for ending in "$@"; do
      if [[ $path == *"$ending" ]]; then COMPREPLY+=("$path"); fi
    done
  done < <(compgen -f -- "$cur")
  compopt -o filenames 2>/dev/null
  return 0
}

# Index directories; where there is none, the folders on the way to one.
_actkin_directories() {
  local path index_directories=()
  mapfile -t COMPREPLY < <(compgen -d -- "$cur")
  for path in "${COMPREPLY[@]}"; do
    if [[ $path == *.actkin ]]; then index_directories+=("$path"); fi
  done
  if [[ ${#index_directories[@]} -gt 0 ]]; then COMPREPLY=("${index_directories[@]}"); fi
  compopt -o filenames 2>/dev/null
  return 0
}

# Values of the option `previous` of `subcommand`; false where it is none that takes a value.
_actkin_value() {
  case $previous in
    --stream) _actkin_words 'embedding proj ffwd' ;;
    --streams) _actkin_words 'embedding proj ffwd' list ;;
    --metric) _actkin_words 'l2 cosine' list ;;
    --order) _actkin_words 'nearest farthest' ;;
    --merge) _actkin_words 'nearest farthest' list ;;
    --unknown) _actkin_words 'error skip' ;;
    --half) _actkin_words 'first second' ;;
    --rows) _actkin_words 'float32 float16' ;;
    --index) _actkin_words 'exact HNSW32' ;;
    --add | --drop) _actkin_words 'HNSW32' ;;
    --param)
      _actkin_words 'efSearch= nprobe='
      compopt -o nospace 2>/dev/null
      return 0
      ;;
    --scheme)
      _actkin_words 'progressive_ffwd_weight inverse_distance last_ffwd_only last_ffwd_only_inverse_distance prompt_only
                     learned'
      ;;
    --layout) _actkin_words 'npy similar-strings' ;;
    --model) _actkin_files .pt .safetensors ;;
    --tokenizer) _actkin_files .json ;;
    --out) if [[ $subcommand == build ]]; then _actkin_directories; else _actkin_files; fi ;;
    --tokenizer) _actkin_files .json ;;
    --prompts | --vocabulary-from | --plot | --resume | --stream-sites) _actkin_files ;;
    *)
      # Any other value (a number, a list of them, a band) is the user's to write.
      _actkin_options "$program" "$subcommand" | grep -qxF -- "$previous="
      ;;
  esac
}

# The positional argument that the current word is, from 1.
_actkin_position() {
  local i position=0 takes_value
  takes_value=$'\n'$(_actkin_options "$program" "$subcommand")$'\n'
  for ((i = 2; i < ${#before[@]}; ++i)); do
    if [[ ${before[i]} == -* ]]; then
      if [[ $takes_value == *$'\n'"${before[i]}="$'\n'* ]]; then
        ((++i))
        if [[ ${before[i]:-} == = ]]; then ((++i)); fi
      fi
      continue
    fi
    ((++position))
  done
  echo $((position + 1))
}

_actkin() {
  local program=${COMP_WORDS[0]} cur=${COMP_WORDS[COMP_CWORD]} subcommand previous
  # bash takes "--option=value" apart at the equals sign.
  local before=("${COMP_WORDS[@]:0:COMP_CWORD}")
  if [[ $cur == = ]]; then
    cur=
  elif [[ ${before[-1]} == '=' ]]; then
    unset 'before[-1]'
  fi
  previous=${before[-1]}
  program=${program/#\~\//$HOME/}
  COMPREPLY=()

  if ((${#before[@]} == 1)); then
    if [[ $cur == -* ]]; then
      _actkin_words "$(_actkin_options "$program" | tr -d =)"
    else
      _actkin_words "$(_actkin_subcommands "$program")"
    fi
    return
  fi
  subcommand=${before[1]}
  local word after_dashes=
  for word in "${before[@]}"; do [[ $word == -- ]] && after_dashes=yes; done
  if [[ -z $after_dashes && $previous == -* ]] && _actkin_value; then return; fi
  if [[ -z $after_dashes && $cur == -* ]]; then
    _actkin_words "$(_actkin_options "$program" "$subcommand" | tr -d =)"
    return
  fi
  local position
  position=$(_actkin_position)
  case $subcommand:$position in
    build:1 | train:1) _actkin_files ;;
    export:2 | import:2) _actkin_files ;;
    tokens:2) _actkin_directories ;;
    *:1) _actkin_directories ;;
  esac
}

complete -F _actkin actkin
