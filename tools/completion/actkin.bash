# Completion of the actkin command in bash. What it offers is what the command's own --help shows.

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

# The options of a subcommand, one a line: its name and, where one follows, what its value is ("l2|cosine"); or its
# arguments, in their order, a repeated one with "...": _actkin_entries Options|Positionals PROGRAM [SUBCOMMAND]
_actkin_entries() {
  local title=$1
  shift
  _actkin_help "$@" | awk -v title="$title:" '
    $0 == title { shown = 1; next }
    /^$/ { shown = 0 }
    shown && /^  [^ ]/ {
      entry = substr($0, 3)
      sub(/  .*/, "", entry)
      count = split(entry, words, " ")
      value = count > 1 ? words[2] : ""
      sub(/[=:].*/, "", value)
      split(words[1], names, ",")
      for (i = 1; i in names; ++i) print names[i], value, (words[count] == "..." ? "..." : "")
    }'
}

# The options of a subcommand.
_actkin_options() {
  _actkin_entries Options "$@" | cut -d' ' -f1
}

# What the value of an option is; false where it takes none.
_actkin_option_value() {
  _actkin_entries Options "$program" "$subcommand" |
    awk -v name="$1" '$1 == name && NF > 1 { print $2; found = 1 } END { exit !found }'
}

# What the nth argument is.
_actkin_argument_value() {
  _actkin_entries Positionals "$program" "$subcommand" |
    awk -v number="$1" '{ value = $1 == "DIRECTORY" || $1 == "FOLDER" ? $1 : $2 }
                        NR == number || ($NF == "..." && NR < number) { found = value }
                        END { print found }'
}

# Words of a list that begin with the current word; with "list", the part after its last comma is completed.
_actkin_words() {
  local words=$1 kind=${2:-} before=
  if [[ $kind == list && $cur == *,* ]]; then before=${cur%,*},; fi
  mapfile -t COMPREPLY < <(compgen -P "$before" -W "$words" -- "${cur#"$before"}")
}

# Files whose names have one of the given endings, and folders on the way to them.
_actkin_files() {
  local path ending
  while IFS= read -r path; do
    if [[ -d $path ]]; then
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

_actkin_folders() {
  mapfile -t COMPREPLY < <(compgen -d -- "$cur")
  compopt -o filenames 2>/dev/null
  return 0
}

# Offers what a value may be, by its words in --help: those in small letters as they stand, and files or folders.
_actkin_value() {
  local kind=${1%,...} list= word words=() endings=() found=()
  if [[ $1 == *,... ]]; then list=list; fi
  for word in ${kind//|/ }; do
    case $word in
      NAME.actkin | DIRECTORY) _actkin_directories ;;
      NAME.*) endings+=("${word#NAME}") ;;
      FILE) endings+=('') ;;
      FOLDER) _actkin_folders ;;
      [[:lower:]]*) words+=("$word") ;;
    esac
  done
  if [[ ${#endings[@]} -gt 0 ]]; then _actkin_files "${endings[@]}"; fi
  if [[ ${#words[@]} -gt 0 ]]; then
    found=("${COMPREPLY[@]}")
    _actkin_words "${words[*]}" $list
    COMPREPLY+=("${found[@]}")
  fi
  # A folder may be what is asked for and lead to it.
  if [[ $kind == *FOLDER* && ${#COMPREPLY[@]} -gt 0 ]]; then
    mapfile -t COMPREPLY < <(printf '%s\n' "${COMPREPLY[@]}" | awk '!seen[$0]++')
  fi
}

# The positional argument that the current word is, from 1.
_actkin_position() {
  local i position=0 with_value
  with_value=" $(_actkin_entries Options "$program" "$subcommand" | awk 'NF > 1 { print $1 }' | paste -sd' ') "
  for ((i = 2; i < ${#before[@]}; ++i)); do
    if [[ ${before[i]} == -* ]]; then
      if [[ $with_value == *" ${before[i]} "* ]]; then
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
      _actkin_words "$(_actkin_options "$program")"
    else
      _actkin_words "$(_actkin_subcommands "$program")"
    fi
    return
  fi
  subcommand=${before[1]}
  local word after_dashes=
  for word in "${before[@]}"; do [[ $word == -- ]] && after_dashes=yes; done
  local value
  if [[ -z $after_dashes && $previous == -* ]] && value=$(_actkin_option_value "$previous"); then
    _actkin_value "$value"
  elif [[ -z $after_dashes && $cur == -* ]]; then
    _actkin_words "$(_actkin_options "$program" "$subcommand")"
  else
    _actkin_value "$(_actkin_argument_value "$(_actkin_position)")"
  fi
}

complete -F _actkin actkin
